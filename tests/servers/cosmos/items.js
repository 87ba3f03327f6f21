'use strict';

// Reading and writing items by id: preconditions, patches and transactional batches.

const { checkItem } = require('./checks');
const { patchOperation } = require('./packages');
const { find, ofItem, same } = require('./partitions');
const { Refusal, badRequest } = require('./refusal');
const query = require('./query');

const MAX_BATCH = 100;

const missing = () => new Refusal(404, 'NotFound', 'Entity with the specified id does not exist in the system.');
const conflict = () => new Refusal(409, 'Conflict', 'Entity with the specified id already exists in the system.');
const stale = () =>
  new Refusal(412, 'PreconditionFailed', 'One of the specified pre-condition is not met.');

function existing(container, { id, partition, ifMatch }) {
  if (partition === undefined) throw badRequest('PartitionKey value must be supplied for this operation.');
  const item = find(container, id, partition);
  if (!item) throw missing();
  if (ifMatch && ifMatch !== '*' && ifMatch !== item._etag) throw stale();
  return item;
}

/** Checks what is to be written and where; returns the item that has its id now, if any. */
function beforeWriting(container, { body, partition }) {
  checkItem(container.read(), body);
  if (partition !== undefined && !same(partition, ofItem(container, body))) {
    const header = { 'x-ms-substatus': '1001' };
    throw badRequest("PartitionKey extracted from document doesn't match the one specified in the header", header);
  }
  return find(container, body.id, ofItem(container, body));
}

/** Calls the package, whose errors say in a property what kind they are. */
function write(action) {
  try {
    return action();
  } catch (error) {
    if (error.conflict) throw conflict();
    if (error.badRequest) throw badRequest(error.message);
    throw error;
  }
}

function read(container, asked) {
  const item = existing(container, { ...asked, ifMatch: undefined });
  if (asked.ifNoneMatch === item._etag) return { status: 304, headers: { etag: item._etag } };
  return { status: 200, body: item };
}

function create(container, asked) {
  if (beforeWriting(container, asked)) throw conflict();
  return { status: 201, body: write(() => container.documents.create(asked.body)) };
}

function upsert(container, asked) {
  const old = beforeWriting(container, asked);
  if (!old) return { status: 201, body: write(() => container.documents.create(asked.body)) };
  if (asked.ifNoneMatch === '*') throw conflict();
  if (asked.ifMatch && asked.ifMatch !== '*' && asked.ifMatch !== old._etag) throw stale();
  return { status: 200, body: write(() => container.documents.replace(asked.body, old)) };
}

function replace(container, asked) {
  const old = existing(container, asked);
  beforeWriting(container, asked);
  return { status: 200, body: write(() => container.documents.replace(asked.body, old)) };
}

function remove(container, asked) {
  const { id } = existing(container, asked);
  container.documents.delete(id, asked.partition);
  return { status: 204 };
}

function patch(container, asked) {
  const old = existing(container, asked);
  const { operations, condition } = Array.isArray(asked.body) ? { operations: asked.body } : asked.body;
  if (condition && !query.holds(container, condition, old)) throw stale();
  // The package applies the operations well, to a copy, but looks the item up and writes it as it does everywhere: it
  // gets a container in which both are a matter of course.
  const standIn = {
    document: () => ({ read: () => old }),
    documents: { replace: (patched) => patched },
  };
  const { statusCode, body } = patchOperation(standIn, { id: old.id, partitionKey: '[""]', operations });
  if (statusCode !== 200) throw badRequest(body.message);
  return replace(container, { ...asked, body });
}

const actions = { read, create, upsert, replace, patch, delete: remove };

/** Returns the answer to an operation on one item, or throws the refusal. */
function perform(container, asked) {
  const action = actions[asked.operation];
  if (!action) throw badRequest(`This test server does not know the operation '${asked.operation}' on items`);
  return action(container, asked);
}

function inBatch(container, partition, { operationType, id, resourceBody, ifMatch, ifNoneMatch }) {
  const operation = operationType.toLowerCase();
  return perform(container, { operation, partition, id: id ?? resourceBody?.id, body: resourceBody, ifMatch, ifNoneMatch });
}

/** Carries all operations out, or none: after the first that fails the others are 424. */
function batch(container, { partition, body }) {
  if (!Array.isArray(body) || partition === undefined) throw badRequest('A batch is a list, for one partition');
  if (body.length > MAX_BATCH) throw badRequest(`Batch request has more operations than ${MAX_BATCH}.`);
  const { documents } = container;
  const before = { data: new Map(documents._data), index: new Map(documents._index) };
  const results = [];
  for (const operation of body) {
    try {
      const { status, body: item } = inBatch(container, partition, operation);
      results.push({ statusCode: status, requestCharge: 1, eTag: item?._etag, resourceBody: item });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      documents._data = before.data;
      documents._index = before.index;
      const answers = body.map(() => ({ statusCode: 424, requestCharge: 0 }));
      answers[results.length].statusCode = error.status;
      return { status: 207, body: answers };
    }
  }
  return { status: 200, body: results };
}

module.exports = { batch, perform };
