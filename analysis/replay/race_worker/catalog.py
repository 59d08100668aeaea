"""What PostgreSQL's catalogs are asked: tables, foreign keys, views, functions, sequences (manual, chapter 53)."""

TABLES = """
    SELECT n.nspname, c.relname,
      (SELECT array_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
      (SELECT array_agg(a.attname ORDER BY k.place) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(number, place),
       pg_attribute a WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.number),
      c.relkind <> 'r' OR c.relhasrules OR c.relrowsecurity OR c.relispartition
      OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
      OR EXISTS (SELECT FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
      AND c.relpersistence <> 't' AND c.relname <> 'django_migrations'
    ORDER BY 1, 2
"""
FOREIGN = """
    SELECT cn.nspname, c.relname, pn.nspname, p.relname, f.condeferred, f.confdeltype NOT IN ('a', 'r')
      OR f.confupdtype NOT IN ('a', 'r'),
      (SELECT array_agg(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY(f.conkey)),
      (SELECT array_agg(a.attname) FROM pg_attribute a WHERE a.attrelid = p.oid AND a.attnum = ANY(f.confkey))
    FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
    JOIN pg_class p ON p.oid = f.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE f.contype = 'f' ORDER BY 1, 2, f.conname
"""
VIEWS = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2
"""
FUNCTIONS = """
    SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND (p.proname LIKE 'dblink%' OR NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))
    ORDER BY 1
"""
SEQUENCES = """
    SELECT quote_ident(s.schemaname) || '.' || quote_ident(s.sequencename), coalesce(s.last_value, s.start_value),
      s.last_value IS NOT NULL,
      (SELECT n.nspname || '.' || c.relname FROM pg_depend d JOIN pg_class c ON c.oid = d.refobjid
       JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass
         AND d.objid = (quote_ident(s.schemaname) || '.' || quote_ident(s.sequencename))::regclass)
    FROM pg_sequences s ORDER BY 1
"""


def table_name(schema: str, relation: str) -> str:
    return relation if schema == "public" else f"{schema}.{relation}"


def quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
