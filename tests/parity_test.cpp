// parity
