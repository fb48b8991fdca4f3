-- As in ../sqlite.
ALTER TABLE users ADD COLUMN routing TEXT NOT NULL DEFAULT '{}';
