// Leaflet comes from its package, and is served beside our modules.
export * from "leaflet";
