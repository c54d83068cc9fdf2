/*
 * One row by the name of what it is.
 */
#include "pg/pg.h"

#include "base/bug.h"
#include "base/id.h"

/* More than any name has ids. */
#define IDS_MAX 4

const struct error *pg_load(struct call *call, const struct pg_named *named,
                            const struct uuid ids[], size_t id_count, struct pg_rows *rows)
{
    struct pg_param params[IDS_MAX];

    if (id_count > IDS_MAX)
        bug("%s: %zu ids", named->pattern, id_count);
    for (size_t i = 0; i < id_count; i++)
        params[i] = pg_uuid(ids[i]);
    TRY(pg_read(call, ids[0], named->statement, (struct pg_params){params, id_count}, rows));
    if (rows->count == 0)
        return not_found(call, named->reason, name_make(call->arena, named->pattern, ids));
    return NULL;
}
