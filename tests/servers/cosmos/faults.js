'use strict';

// Troubles on demand: POST /_faults adds one, DELETE /_faults ends all of them.
//
//   kind          "429", "503", "drop" (the connection, without an answer) or "latency"
//   times         how many requests it meets; -1: every one. Default 1
//   after         how many matching requests pass first. Default 0
//   retryAfterMs  what a 429 tells the client to wait. Default 1
//   latencyMs     how long "latency" holds a request back; it is answered as usual then
//   until         "latency" lets go as soon as it holds this many: whether a client asks them at the same time shows
//                 without waiting, and however slow the machine
//   match         {"method": "POST", "operation": "query", "path": "regular expression"}, all optional; without a path,
//                 only requests for items are met, so that a client's reading of the account does not use a fault up

const { Refusal, badRequest } = require('./refusal');

const KINDS = ['429', '503', 'drop', 'latency'];
const DEFAULTS = { times: 1, after: 0, retryAfterMs: 1, latencyMs: 0, until: 0 };

class Faults {
  constructor() {
    this.active = [];
  }

  add({ match = {}, ...given }) {
    if (!KINDS.includes(given.kind)) throw badRequest(`A fault's kind is one of ${KINDS.join(', ')}`);
    const path = match.path && new RegExp(match.path);
    this.active.push({ ...DEFAULTS, ...given, match: { ...match, path }, held: new Set() });
  }

  clear() {
    for (const { held } of this.active) held.forEach((letGo) => letGo());
    this.active = [];
  }

  /** Lets the request pass, holds it back, cuts its connection off (and returns false), or throws the refusal. */
  async meet(entry, socket) {
    for (const fault of this.active) {
      if (!matches(fault.match, entry) || !uses(fault)) continue;
      if (fault.kind === 'latency') {
        await hold(fault);
        continue;
      }
      if (fault.kind === 'drop') {
        socket.destroy();
        return false;
      }
      throw fault.kind === '429' ? throttled(fault.retryAfterMs) : unavailable();
    }
    return true;
  }
}

function hold({ latencyMs, until, held }) {
  return new Promise((resolve) => {
    const letGo = () => {
      clearTimeout(timer);
      held.delete(letGo);
      resolve();
    };
    const timer = setTimeout(letGo, latencyMs);
    held.add(letGo);
    if (held.size === until) held.forEach((each) => each());
  });
}

function matches({ method, operation, path }, entry) {
  return (
    (!method || method === entry.method) &&
    (!operation || operation === entry.operation) &&
    (path ? path.test(entry.path) : entry.resource === 'docs')
  );
}

/** Counts the request against the fault and says whether the fault meets it. */
function uses(fault) {
  if (fault.after > 0) {
    fault.after -= 1;
    return false;
  }
  if (fault.times === 0) return false;
  if (fault.times > 0) fault.times -= 1;
  return true;
}

const throttled = (milliseconds) =>
  new Refusal(429, 'TooManyRequests', 'Request rate is large.', {
    'x-ms-retry-after-ms': String(milliseconds),
    'x-ms-substatus': '3200',
  });

const unavailable = () => new Refusal(503, 'ServiceUnavailable', 'Service is currently unavailable.');

module.exports = { Faults };
