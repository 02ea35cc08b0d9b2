"""What the service knows of accounts. No request, no response, no status code."""
