"""One number for a set of (aggregate, newest version): what owner and reader compare.

A sum of 60-bit digests needs no order and no memory, and PostgreSQL versions agree on md5 where their own
hash functions may differ. It guards against loss and mistakes, not against malice.
"""

#: SQL for a group of rows with agg_type, agg_id, epoch and version; an outer join's row without them counts
#: for nothing.
CHECKSUM = (
    "coalesce(sum(('x' || substr(md5(concat_ws(chr(10), {0}.agg_type, {0}.agg_id, {0}.epoch, {0}.version)), "
    "1, 15))::bit(60)::bigint) filter (where {0}.agg_id is not null), 0)::text"
)
