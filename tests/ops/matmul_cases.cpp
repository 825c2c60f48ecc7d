// Rows of the op table: matmul.
