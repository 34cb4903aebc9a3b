"""What talks to the server: the embedded Valkey, connections, shards, scripts."""
