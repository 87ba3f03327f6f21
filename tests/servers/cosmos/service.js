'use strict';

// Answers a request: those for items here, those for the account, databases and containers by the package's handlers.

const crypto = require('node:crypto');
const { Readable } = require('node:stream');

const { checkSignature } = require('./auth');
const { checkContainer, checkedReplacement } = require('./checks');
const items = require('./items');
const { Account, findRoute } = require('./packages');
const partitions = require('./partitions');
const query = require('./query');
const { Refusal, badRequest } = require('./refusal');

partitions.mend();
query.mend();

const ITEMS = /^\/dbs\/([^/]+)\/colls\/([^/]+)\/docs(?:\/([^/]+))?\/?$/;
const CONTAINERS = /^\/dbs\/([^/]+)\/colls(?:\/([^/]+))?\/?$/;

/** The package leaves these out. */
const CODES = { 400: 'BadRequest', 404: 'NotFound', 409: 'Conflict' };

class Service {
  constructor(port, key) {
    this.account = new Account('127.0.0.1', port);
    this.key = key;
  }

  async answer(request, pathname, operation, body) {
    checkSignature(request, pathname, this.key);
    const path = ITEMS.exec(pathname);
    const reply = path
      ? this.answerForItems(request, path.slice(1), operation, body)
      : await this.answerByPackage(request, pathname, operation, body);
    const etag = reply.body?._etag;
    reply.headers = {
      'x-ms-activity-id': crypto.randomUUID(),
      'x-ms-request-charge': '1', // a made-up number: not for quoting
      ...(etag && { etag }),
      ...reply.headers,
    };
    return reply;
  }

  answerForItems({ headers }, names, operation, body) {
    const [database, name, id] = names.map((part) => part && decodeURIComponent(part));
    const container = this.account.database(database).collection(name);
    if (!container.read()) {
      // The substatus tells clients that the container is missing and not the item.
      throw new Refusal(404, 'NotFound', 'Owner resource does not exist', { 'x-ms-substatus': '1003' });
    }
    partitions.expire(container);
    const asked = {
      operation,
      id,
      partition: partitions.fromHeader(headers['x-ms-documentdb-partitionkey']),
      body: body.length ? parse(body) : undefined,
      ifMatch: headers['if-match'],
      ifNoneMatch: headers['if-none-match'],
    };
    if (operation === 'query' || operation === 'list') return query.answer(container, asked, headers);
    if (operation === 'batch') return items.batch(container, asked, headers);
    return items.perform(container, asked);
  }

  /** Takes the items out of all containers of a database: quicker than to make them anew. */
  empty(name) {
    const { collections } = this.account.database(name);
    for (const container of collections._data.values()) {
      container.documents._data = new Map();
      container.documents._index = new Map();
    }
  }

  async answerByPackage(request, pathname, operation, body) {
    const [, database, name] = CONTAINERS.exec(pathname) ?? [];
    let content = body;
    if (database && operation === 'create') checkContainer(parse(body));
    if (database && operation === 'replace') {
      const before = this.account.database(decodeURIComponent(database)).collection(decodeURIComponent(name)).read();
      content = Buffer.from(JSON.stringify(checkedReplacement(parse(body), before)));
    }
    const [parameters, handler] = findRoute(request) ?? [];
    if (!handler) throw badRequest(`This test server does not know ${request.method} ${pathname}`);
    const { method, url, headers } = request;
    const inner = Object.assign(Readable.from([content]), { method, url, headers });
    const reply = { status: 200, headers: {} };
    const response = {
      set statusCode(status) {
        reply.status = status;
      },
      setHeader: (name, value) => {
        reply.headers[name] = value;
      },
    };
    reply.body = await handler(this.account, inner, response, parameters);
    if (reply.status >= 400) reply.body = { code: CODES[reply.status], message: 'Refused', ...reply.body };
    return headers['a-im'] ? asChangeFeed(reply, headers) : reply;
  }
}

/** Clients read partition key ranges as a change feed: all of them, then nothing new for ever. */
function asChangeFeed(reply, headers) {
  return { ...reply, status: headers['if-none-match'] ? 304 : reply.status, headers: { ...reply.headers, etag: '1' } };
}

function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    throw badRequest('The request body is not JSON');
  }
}

module.exports = { Service };
