"""A look at the whole database: its pages, and whether the indexes say what the log says. Costs what there is."""

from __future__ import annotations

from sqlite3 import Connection, DatabaseError

MAX_FAULTS = 20

_CHECKS = {
    "SELECT count(*) FROM entries WHERE room NOT IN (SELECT number FROM rooms)": "{} entries belong to no room",
    """SELECT count(*) FROM messages m LEFT JOIN entries e ON e.room = m.room AND e.offset = m.offset
       WHERE e.offset IS NULL""": "{} messages have no entry",
    """SELECT count(*) FROM rooms r
       WHERE messages <> (SELECT count(*) FROM messages m WHERE m.room = r.number)""": "{} rooms count messages wrong",
    """SELECT count(*) FROM entries e LEFT JOIN messages m ON m.room = e.room AND m.offset = e.offset
       WHERE json_valid(CAST(e.body AS TEXT)) AND json_extract(CAST(e.body AS TEXT), '$.kind') = 'message'
       AND m.offset IS NULL""": "{} messages of the log are not shown",
    """SELECT count(*) FROM (
           SELECT 1 FROM accounts GROUP BY email_folded HAVING count(*) > 1
           UNION ALL SELECT 1 FROM accounts GROUP BY name_folded HAVING count(*) > 1
       )""": "{} e-mails or names are in use twice",
}


def inspect(connection: Connection) -> list[str]:
    """What is wrong, a sentence each."""
    try:
        pages = [row[0] for row in connection.execute(f"PRAGMA integrity_check({MAX_FAULTS})").fetchall()]
    except DatabaseError as error:
        pages = [str(error)]
    if pages != ["ok"]:
        # What damaged pages say about each other is worth nothing.
        return [f"the database is damaged: {fault}" for fault in pages]
    faults = []
    for query, sentence in _CHECKS.items():
        (count,) = connection.execute(query).fetchone()
        if count:
            faults.append(sentence.format(count))
    return faults
