// Rows of the op table: norm.
