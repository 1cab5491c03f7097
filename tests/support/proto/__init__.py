"""Generated code of those .proto files that only tests read; see proto/generate.py."""
