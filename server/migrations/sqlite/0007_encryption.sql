-- Whether the calls of a user's desk phones are encrypted, as JSON like the other small values.
ALTER TABLE users ADD COLUMN encryption TEXT NOT NULL DEFAULT '"accepted"';
