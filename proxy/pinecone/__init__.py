"""What Pinecone's frontend and backend share. Pure."""
