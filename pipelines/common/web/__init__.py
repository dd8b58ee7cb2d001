"""Writes a static page that asks a pushed model in the browser (docs/web.md)."""
