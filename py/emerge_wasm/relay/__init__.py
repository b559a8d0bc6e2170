"""The relay: joins browsers (WebSocket, HTTP) to the cluster, and serves the page. It never opens a payload."""
