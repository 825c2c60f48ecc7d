// Rows of the op table: conv.
