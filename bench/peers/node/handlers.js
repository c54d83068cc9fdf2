// The two methods: validate, look for a recorded answer, apply the rules, record, charge, record.
'use strict';

const crypto = require('node:crypto');
const { status: Status } = require('@grpc/grpc-js');

const { access } = require('./access');

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const CUSTOMER = new RegExp(`^customers/(${UUID})$`);
const METHOD = new RegExp(`^customers/(${UUID})/paymentMethods/(${UUID})$`);
const REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;
const CREATE_PAYMENT = '/dues.payment.v1.PaymentService/CreatePayment';
const LEASE_MS = 22000;
const HASH_KEY = crypto.randomBytes(32);

class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

function refuse(code, message) {
  throw new Refusal(code, message);
}

/** Time-ordered, as PostgreSQL's indexes like them. */
function uuidv7() {
  const bytes = crypto.randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The SPIFFE URI of the certificate that the connection was made with, read once a connection. */
const callers = new WeakMap();
function callerOf(call) {
  const certificate = call.getAuthContext().sslPeerCertificate;
  let caller = callers.get(certificate);
  if (caller === undefined) {
    caller = /URI:(spiffe:\/\/[^,]+)/.exec(certificate.subjectaltname || '')?.[1];
    if (caller === undefined) refuse(Status.UNAUTHENTICATED, 'the certificate names nobody');
    callers.set(certificate, caller);
  }
  return caller;
}

function toTimestamp(date) {
  const ms = date.getTime();
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1000000 };
}

function validatePayment(request) {
  const parent = CUSTOMER.exec(request.parent);
  const method = METHOD.exec(request.payment?.paymentMethod ?? '');
  const amount = request.payment?.amount;
  if (!parent) refuse(Status.INVALID_ARGUMENT, 'parent');
  if (!method || method[1] !== parent[1]) refuse(Status.INVALID_ARGUMENT, 'payment.payment_method');
  if (!amount || !/^[A-Z]{3}$/.test(amount.currencyCode) || !(amount.minorUnits >= 1 && amount.minorUnits <= 1e12)) {
    refuse(Status.INVALID_ARGUMENT, 'payment.amount');
  }
  if (request.payment.description.length > 255) refuse(Status.INVALID_ARGUMENT, 'payment.description');
  if (!REQUEST_ID.test(request.requestId)) refuse(Status.INVALID_ARGUMENT, 'request_id');
  return { customer: parent[1], method: method[2], amount, description: request.payment.description };
}

function paymentMessage(customer, row) {
  const money = (minorUnits) => ({ currencyCode: row.currency, minorUnits });
  return {
    name: `customers/${customer}/payments/${row.payment_id}`,
    amount: money(row.amount),
    paymentMethod: `customers/${customer}/paymentMethods/${row.payment_method_id}`,
    state: `STATE_${row.state}`,
    captureMode: 'CAPTURE_MODE_AUTOMATIC',
    amountCaptured: money(row.amount_captured),
    amountRefunded: money(row.amount_refunded),
    description: row.description,
    createTime: toTimestamp(row.create_time),
    updateTime: toTimestamp(row.update_time),
  };
}

/** Answers at once, as the sandbox does. */
async function charge(key, amount) {
  return { outcome: 'SUCCEEDED', transaction: `ch_${key}`, amount: amount.minorUnits };
}

function makeHandlers(store, services) {
  const { requestSerialize, responseSerialize, responseDeserialize } = services.payment.CreatePayment;

  async function createPayment(call) {
    const { request } = call;
    const caller = callerOf(call);
    const { customer, method, amount, description } = validatePayment(request);
    const hash = crypto.createHmac('sha256', HASH_KEY).update(requestSerialize(request)).digest();
    const key = [customer, caller, CREATE_PAYMENT, request.requestId, hash];
    const [[recorded], [payer]] = await Promise.all([store.findRequest(key), store.loadPayer([customer, method])]);
    if (recorded && !recorded.same) refuse(Status.INVALID_ARGUMENT, 'request_id was used for another request');
    if (recorded?.answer) return responseDeserialize(recorded.answer);
    if (!payer?.payment_method_id) refuse(Status.NOT_FOUND, 'no such customer or payment method');
    if (payer.state !== 'ACTIVE') refuse(Status.FAILED_PRECONDITION, 'the payment method can no longer be charged');

    const payment = uuidv7();
    const attempt = uuidv7();
    const [begun] = await store.create([...key, payment, attempt, method, amount.currencyCode, amount.minorUnits,
      description, payer.gateway, attempt, LEASE_MS, payer.now]);
    if (begun.outcome === 'replay') return responseDeserialize(begun.answer);
    if (begun.outcome !== 'new') refuse(Status.ABORTED, 'the first request is still running');

    const answer = await charge(attempt, amount);
    const foreseen = paymentMessage(customer, {
      payment_id: payment, payment_method_id: method, currency: amount.currencyCode, amount: amount.minorUnits, description,
      state: 'SUCCEEDED', amount_captured: amount.minorUnits, amount_refunded: 0, create_time: payer.now,
      update_time: payer.now,
    });
    const [finished] = await store.finish([customer, payment, attempt, 1, answer.outcome, answer.transaction, answer.amount, '',
      '', CREATE_PAYMENT, responseSerialize(foreseen), payer.now]);
    if (finished.outcome !== 'settled') refuse(Status.ABORTED, 'somebody else has settled it');
    return foreseen;
  }

  async function checkEntitlement(call) {
    const { request } = call;
    const customer = CUSTOMER.exec(request.customer);
    callerOf(call);
    if (!customer) refuse(Status.INVALID_ARGUMENT, 'customer');
    if (!/^[a-z0-9._-]{1,63}$/.test(request.entitlement)) refuse(Status.INVALID_ARGUMENT, 'entitlement');
    const [facts] = await store.facts([customer[1], request.entitlement, new Date()]);
    if (!facts) refuse(Status.NOT_FOUND, 'no such customer');
    const { allowed, cause, byMembership, until } = access(facts);
    return {
      allowed,
      cause: `CAUSE_${cause}`,
      membership: byMembership ? `customers/${customer[1]}/memberships/${facts.membership_id}` : '',
      tier: byMembership ? `tiers/${facts.tier_id}` : allowed ? `tiers/${facts.open_tier_id}` : '',
      untilTime: until ? toTimestamp(until) : null,
    };
  }

  const unary = (handler) => (call, callback) => {
    handler(call).then((reply) => callback(null, reply), (error) => {
      if (!(error instanceof Refusal)) console.error(error);
      callback({ code: error instanceof Refusal ? error.code : Status.INTERNAL, details: error.message });
    });
  };
  return { createPayment: unary(createPayment), checkEntitlement: unary(checkEntitlement) };
}

module.exports = { makeHandlers };
