"""Raw files in, faces and batches out."""
