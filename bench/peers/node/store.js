// The database: a pool, and each statement prepared under its name on the connection that first needs it.
'use strict';

const pg = require('pg');

// int8 fits a number here: amounts are at most 10^12.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const FIND_REQUEST = {
  name: 'find_request',
  text: `SELECT request_hash = $5 AS same, answer, object_id FROM dues.recorded_request
          WHERE customer_id = $1 AND caller = $2 AND method = $3 AND request_id = $4`,
};

const LOAD_PAYER = {
  name: 'load_payer',
  text: `SELECT coalesce(t.clock_time, now()) AS now, m.payment_method_id, m.gateway, m.state
           FROM dues.customer c LEFT JOIN dues.test_clock t ON t.test_clock_id = c.test_clock_id
           LEFT JOIN dues.payment_method m ON m.customer_id = c.customer_id AND m.payment_method_id = $2
          WHERE c.customer_id = $1`,
};

const CREATE = {
  name: 'payment_create',
  text: `SELECT outcome, answer, object_id FROM dues.payment_create($1, ROW($2, $3, $4, $5)::dues.request_key,
           ROW($6, $7, $8, NULL, $9, $10, $11, $12, $13, false, $14, false)::dues.charge_intent, $15)`,
};

const FINISH = {
  name: 'payment_finish',
  text: `SELECT dues.payment_finish($1, ROW($2, $3, $4, $5, $6, $7, $8, $9, '', '', NULL, NULL, NULL)::dues.settlement,
           $10, $11, $12) AS outcome`,
};

const FACTS = {
  name: 'entitlement_facts',
  text: 'SELECT * FROM dues.entitlement_facts($1, $2, $3)',
};

async function makeStore(connectionString, size) {
  const pool = new pg.Pool({ connectionString, max: size, min: size });
  pool.on('error', (error) => console.error(error.message));
  await pool.query('SELECT 1');
  const query = async (statement, values) => (await pool.query({ ...statement, values })).rows;
  return {
    findRequest: (values) => query(FIND_REQUEST, values),
    loadPayer: (values) => query(LOAD_PAYER, values),
    create: (values) => query(CREATE, values),
    finish: (values) => query(FINISH, values),
    facts: (values) => query(FACTS, values),
  };
}

module.exports = { makeStore };
