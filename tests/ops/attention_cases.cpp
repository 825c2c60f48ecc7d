// Rows of the op table: attention.
