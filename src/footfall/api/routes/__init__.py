"""The routes of the API server, by what they are about. `api.app` puts them together."""
