// May this customer use it?  The rule of src/membership/access_rules.c, with the default grace.
'use strict';

const GRACE_MS = 7 * 86400 * 1000;

function limitOf(facts) {
  switch (facts.state) {
    case 'TRIALING':
    case 'ACTIVE':
      if (!facts.period_end) return Infinity;
      return facts.period_end.getTime() + (facts.cancel_at_period_end ? 0 : GRACE_MS);
    case 'PAST_DUE':
      return facts.access_end_time.getTime();
    default:
      return -Infinity;
  }
}

function denial(facts) {
  if (!facts.membership_id || facts.state === 'EXPIRED') return 'NO_MEMBERSHIP';
  if (!facts.granted) return 'NOT_IN_TIER';
  if (facts.state === 'INCOMPLETE') return 'INCOMPLETE';
  if (facts.state === 'CANCELED' || facts.cancel_at_period_end) return 'CANCELED';
  return 'PAST_DUE';
}

const CAUSES = { TRIALING: 'TRIAL', PAST_DUE: 'IN_GRACE', ACTIVE: 'GRANTED_BY_TIER' };

/** `facts`: a row of entitlement_facts. */
function access(facts) {
  const now = facts.customer_now.getTime();
  if (facts.membership_id && facts.granted && now < limitOf(facts)) {
    const limit = limitOf(facts);
    const inPeriod = facts.state !== 'PAST_DUE' && facts.period_end && now < facts.period_end.getTime();
    const until = inPeriod ? facts.period_end : limit === Infinity ? null : new Date(limit);
    return { allowed: true, cause: CAUSES[facts.state], byMembership: true, until };
  }
  if (facts.open_tier_id) return { allowed: true, cause: 'GRANTED_BY_TIER', byMembership: false, until: null };
  return { allowed: false, cause: denial(facts), byMembership: Boolean(facts.membership_id), until: null };
}

module.exports = { access };
