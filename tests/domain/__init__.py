"""The domain in tables: plain values in, plain values out, nothing awaited."""
