/** Web Mercator: degrees to the unit square, whose corner is in the north west (Snyder, Map Projections, 1987). */

/** @param {number} longitude @returns {number} */
export function eastOf(longitude) {
  return longitude / 360 + 0.5;
}

/** @param {number} latitude @returns {number} */
export function southOf(latitude) {
  const sine = Math.sin((Math.max(-85.05, Math.min(85.05, latitude)) * Math.PI) / 180);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
}
