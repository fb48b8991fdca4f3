-- Skills of an operator and how he mixes his work, as JSON; what is not in it has its default.
ALTER TABLE users ADD COLUMN routing TEXT NOT NULL DEFAULT '{}';
