"""What makes a folder a BIDS App: declaration, command line, execution, derivatives. Empty until the first pipeline."""
