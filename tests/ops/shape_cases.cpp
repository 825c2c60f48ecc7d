// Rows of the op table: shape.
