"""Quotes and tracks shipments. Written in JavaScript, for Node.js and its standard library: main.mjs."""
