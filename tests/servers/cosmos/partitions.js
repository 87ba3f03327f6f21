'use strict';

// An item belongs to its partition key: the same id in two partitions is two items, and a request that names a
// partition sees nothing of the others. The package looks ids up across partitions when a key is falsy or missing.

const { Collections, Documents, getValue } = require('./packages');
const { badRequest } = require('./refusal');

/** The key of an item that has none, in the form in which clients send it. */
const NONE = Object.freeze({});

/** Returns the partition key that a request names, undefined when it names none. */
function fromHeader(header) {
  if (header === undefined) return undefined;
  let values;
  try {
    values = JSON.parse(header);
  } catch {
    throw badRequest(`The partition key ${header} is not JSON`);
  }
  if (!Array.isArray(values) || values.length !== 1) throw badRequest(`The partition key ${header} is not one value`);
  const [value] = values;
  return value !== null && typeof value === 'object' ? NONE : value;
}

/** Returns an item's partition key. */
function ofItem(container, item) {
  const [path] = container.read().partitionKey.paths;
  return orNone(getValue(path.slice(1).split('/'), item));
}

const orNone = (value) => (value === undefined ? NONE : value); // null is a key like any other

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** Returns the item with this id in the partition, or undefined. */
const find = (container, id, partition) => container.documents._item('/id', id, partition).read();

/** Returns all items of a partition, or of all when it is undefined. */
function itemsOf(container, partition) {
  const all = [...container.documents._data.values()].map((item) => item.read());
  return partition === undefined ? all : all.filter((item) => same(ofItem(container, item), partition));
}

/** Removes the items that are older than their container, or they themselves, allow. */
function expire(container) {
  const { defaultTtl } = container.read();
  if (!defaultTtl) return; // without it the service ignores what items say
  const now = Math.floor(Date.now() / 1000);
  for (const item of itemsOf(container)) {
    const ttl = item.ttl ?? defaultTtl;
    if (ttl > 0 && item._ts + ttl <= now) container.documents.delete(item.id, ofItem(container, item));
  }
}

function mend() {
  Documents.prototype._getId = (keyPath, value, partition) => JSON.stringify([orNone(partition), keyPath, value]);
  // The package takes a _rid for an id, in any partition.
  Documents.prototype._toRid = function toRid(keyPath, value, partition) {
    return this._index.get(this._getId(keyPath, value, partition));
  };
  // The package replaces a container together with its items, by nothing.
  const replace = Collections.prototype.replace;
  Collections.prototype.replace = function replaceAndKeep(data, original) {
    const { documents } = this._item('/id', original.id, original.id);
    const result = replace.call(this, data, original);
    const container = this._item('/id', data.id, data.id);
    container.documents = documents;
    documents._parent = container;
    return result;
  };
}

module.exports = { expire, find, fromHeader, itemsOf, mend, ofItem, same };
