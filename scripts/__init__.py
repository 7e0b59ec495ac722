"""The helpers behind the Makefile: each module is one arrow of the pipeline, or one word of its vocabulary."""
