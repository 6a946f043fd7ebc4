"""What is found before a row is written, by asking both servers."""
