"""A server that speaks the OpenAI Images API, and a page to play with."""
