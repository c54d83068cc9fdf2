// CreatePayment and CheckEntitlement of dues as a Node service: grpc-js with mutual TLS in front of the same database.
//
//   node server.js --listen 127.0.0.1:PORT --certs DIR --database postgresql://… [--workers N] [--pool 16]
//
// The contract is proto/ of this repository, the recorded steps are the same stored functions.  Prints "ready" when it
// listens.  The gateway answers at once, in the process.
'use strict';

const cluster = require('node:cluster');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const { makeStore } = require('./store');
const { makeHandlers } = require('./handlers');

const ROOT = path.join(__dirname, '..', '..', '..', 'proto');

const { values: options } = parseArgs({
  options: {
    listen: { type: 'string', default: '127.0.0.1:0' },
    certs: { type: 'string' },
    database: { type: 'string' },
    workers: { type: 'string', default: '1' },
    pool: { type: 'string', default: '16' },
  },
});

function loadServices() {
  const definition = loader.loadSync(
    ['dues/payment/v1/payment_service.proto', 'dues/membership/v1/membership_service.proto'],
    { includeDirs: [ROOT, path.join(ROOT, 'third_party')], longs: Number, enums: String, defaults: true },
  );
  const loaded = grpc.loadPackageDefinition(definition).dues;
  return {
    payment: loaded.payment.v1.PaymentService.service,
    membership: loaded.membership.v1.MembershipService.service,
  };
}

function credentials() {
  const read = (name) => fs.readFileSync(path.join(options.certs, name));
  return grpc.ServerCredentials.createSsl(
    read('ca.pem'), [{ cert_chain: read('server.pem'), private_key: read('server.key') }], true);
}

async function serve() {
  const services = loadServices();
  const store = await makeStore(options.database, Number(options.pool));
  const handlers = makeHandlers(store, services);
  const server = new grpc.Server({
    'grpc.max_concurrent_streams': 100,
    'grpc.max_receive_message_length': 65536,
  });
  server.addService(services.payment, { CreatePayment: handlers.createPayment });
  server.addService(services.membership, { CheckEntitlement: handlers.checkEntitlement });
  server.bindAsync(options.listen, credentials(), (error) => {
    if (error) throw error;
    if (cluster.isWorker) process.send('ready');
    else console.log('ready');
  });
}

function fork(count) {
  let ready = 0;
  for (let i = 0; i < count; i++) cluster.fork();
  cluster.on('message', () => {
    ready += 1;
    if (ready === count) console.log('ready');
  });
  cluster.on('exit', () => process.exit(1));
}

if (cluster.isPrimary && Number(options.workers) > 1) fork(Number(options.workers));
else serve();
