/*
 * The end of a test run: stops the shared test cluster now instead of a few seconds later.
 */
#include "support/db_cluster.h"

int main(void)
{
    db_cluster_stop_shared();
    return 0;
}
