"""Files of rows from the browser: shown before they are taken in, with templates and exports of the same columns."""
