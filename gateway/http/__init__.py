"""HTTP/1.1 on asyncio: grammar, messages, the client's side and the upstream's side; no policy."""
