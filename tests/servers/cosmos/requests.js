'use strict';

// What clients asked, so that tests can count round trips where they arrive: GET /_requests, DELETE /_requests.

const { signedResource } = require('./auth');

/** Returns what a request asks for: a read, a query, an upsert and so on. */
function operationOf({ method, headers }, isFeed) {
  const says = (name) => (headers[name] ?? '').toLowerCase() === 'true';
  if (says('x-ms-cosmos-is-query-plan-request')) return 'plan';
  if (method === 'POST' && (says('x-ms-documentdb-isquery') || headers['content-type'] === 'application/query+json')) {
    return 'query';
  }
  if (method === 'POST' && says('x-ms-documentdb-is-upsert')) return 'upsert';
  if (method === 'POST' && says('x-ms-cosmos-is-batch-request')) return 'batch';
  if (method === 'GET') return isFeed ? 'list' : 'read';
  return { POST: 'create', PUT: 'replace', PATCH: 'patch', DELETE: 'delete' }[method] ?? method;
}

function describe(request, pathname) {
  const { type } = signedResource(pathname);
  const segments = pathname.split('/').filter(Boolean);
  return {
    method: request.method,
    path: pathname,
    resource: type || 'account',
    operation: operationOf(request, segments.length % 2 === 1),
    partition: request.headers['x-ms-documentdb-partitionkey'] ?? null,
    status: null, // of the answer; null while there is none, and for a connection that was cut off
  };
}

class Recorder {
  constructor() {
    this.running = {};
    this.clear();
  }

  clear() {
    this.entries = [];
    // A request that is still running belongs to what follows, too.
    this.highest = Object.fromEntries(Object.entries(this.running).filter(([, number]) => number > 0));
  }

  /** Notes the request; returns the note, and what to call before the answer goes out. */
  follow(request, response, pathname) {
    const entry = describe(request, pathname);
    this.entries.push(entry);
    const { operation } = entry;
    this.running[operation] = (this.running[operation] ?? 0) + 1;
    this.highest[operation] = Math.max(this.highest[operation] ?? 0, this.running[operation]);
    let running = true;
    const done = (status) => {
      if (running) this.running[operation] -= 1;
      running = false;
      entry.status = status;
    };
    // Too late for an answer, as its client can be back with the next request by then; only for what gets none.
    response.on('close', () => running && done(null));
    return { entry, done };
  }

  /** Returns the requests in order, their number by operation and resource, and how many ran at the same time. */
  report() {
    const counts = {};
    for (const { operation, resource } of this.entries) {
      const name = `${operation} ${resource}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return { counts, highest: this.highest, requests: this.entries };
  }
}

module.exports = { Recorder };
