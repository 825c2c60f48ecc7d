// Rows of the op table: elementwise.
