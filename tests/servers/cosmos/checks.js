'use strict';

// What the service refuses and the package takes: ids, sizes, vector policies.

const { isDeepStrictEqual } = require('node:util');

const { getValue } = require('./packages');
const { badRequest } = require('./refusal');

const MAX_ITEM_ID = 1023; // bytes
const MAX_CONTAINER_ID = 255; // characters
const MAX_PARTITION_KEY = 2048; // bytes
const MAX_TTL = 2 ** 31 - 1;

const DATA_TYPES = ['float32', 'float16', 'int8', 'uint8'];
const DISTANCE_FUNCTIONS = ['cosine', 'dotproduct', 'euclidean'];
const MAX_DIMENSIONS = { flat: 505, quantizedFlat: 4096, diskANN: 4096 };
/** The settings of a vector index that are numbers, with the range of each. */
const RANGES = { quantizationByteSize: [1, 512], indexingSearchListSize: [25, 500] };

function refuseUnless(condition, message) {
  if (!condition) throw badRequest(message);
}

function checkId(id, longest, lengthOf) {
  refuseUnless(typeof id === 'string' && id !== '', "The required property 'id' is missing or not a string");
  const illegal = /[/\\?#]|[ \n]$/.test(id);
  refuseUnless(!illegal, `The id '${id}' has characters that are not allowed`);
  refuseUnless(lengthOf(id) <= longest, `The id is longer than ${longest}`);
}

const pathOf = (text) => text.slice(1).split('/');

/** Checks an item before it is written. */
function checkItem(definition, item) {
  refuseUnless(item !== null && typeof item === 'object' && !Array.isArray(item), 'An item is a JSON object');
  checkId(item.id, MAX_ITEM_ID, Buffer.byteLength);
  const key = getValue(pathOf(definition.partitionKey.paths[0]), item);
  refuseUnless(key === null || typeof key !== 'object', 'Partition key value must be a string, number, boolean or null');
  refuseUnless(Buffer.byteLength(String(key)) <= MAX_PARTITION_KEY, 'Partition key value is too long');
  const { ttl } = item;
  const goodTtl = ttl === -1 || (Number.isInteger(ttl) && ttl >= 1 && ttl <= MAX_TTL);
  refuseUnless(ttl === undefined || goodTtl, `The ttl '${ttl}' is not -1 or a positive integer`);
  for (const embedding of definition.vectorEmbeddingPolicy?.vectorEmbeddings ?? []) {
    checkVector(embedding, getValue(pathOf(embedding.path), item));
  }
}

/** Checks a vector against its policy; an item need not have one. */
function checkVector({ path, dimensions }, vector) {
  if (vector === undefined || vector === null) return;
  const isVector = Array.isArray(vector) && vector.every(Number.isFinite);
  refuseUnless(isVector, `The vector at ${path} is not a list of numbers`);
  refuseUnless(vector.length === dimensions, `The vector at ${path} has ${vector.length} of ${dimensions} dimensions`);
}

function checkContainer(definition) {
  checkId(definition.id, MAX_CONTAINER_ID, (id) => id.length);
  const paths = definition.partitionKey?.paths;
  refuseUnless(Array.isArray(paths) && paths.length === 1, 'This test server wants one partition key path');
  const { defaultTtl } = definition;
  const goodTtl = defaultTtl === -1 || (Number.isInteger(defaultTtl) && defaultTtl >= 1 && defaultTtl <= MAX_TTL);
  refuseUnless(defaultTtl === undefined || defaultTtl === null || goodTtl, 'defaultTtl is not -1 or a positive integer');
  const embeddings = definition.vectorEmbeddingPolicy?.vectorEmbeddings ?? [];
  embeddings.forEach(checkEmbedding);
  const unique = new Set(embeddings.map(({ path }) => path));
  refuseUnless(unique.size === embeddings.length, 'Two vector embeddings have the same path');
  for (const index of definition.indexingPolicy?.vectorIndexes ?? []) checkVectorIndex(index, embeddings);
}

function checkEmbedding({ path, dataType, dimensions, distanceFunction }) {
  const policy = 'The Vector Embedding Policy has';
  refuseUnless(/^(\/[^/*?[\]]+)+$/.test(path), `${policy} an invalid Path:${path}`);
  refuseUnless(DATA_TYPES.includes(dataType), `${policy} an invalid DataType:${dataType}`);
  const size = `${policy} Dimensions:${dimensions}`;
  refuseUnless(Number.isInteger(dimensions) && dimensions >= 1, `${size}, which is invalid`);
  const most = MAX_DIMENSIONS.diskANN;
  refuseUnless(dimensions <= most, `${size} which is more than the maximum supported value ${most}`);
  const goodDistance = DISTANCE_FUNCTIONS.includes(distanceFunction);
  refuseUnless(goodDistance, `${policy} an invalid DistanceFunction:${distanceFunction}`);
}

function checkVectorIndex(index, embeddings) {
  const { path, type } = index;
  refuseUnless(type in MAX_DIMENSIONS, `The Vector Indexing Policy's Index Type::${type} is invalid`);
  for (const [name, [least, most]] of Object.entries(RANGES)) {
    const value = index[name];
    const good = value === undefined || (value >= least && value <= most);
    refuseUnless(good, `${name} value :: ${value} is out of range. The allowed range is between ${least} and ${most}.`);
  }
  const embedding = embeddings.find((candidate) => candidate.path === path);
  refuseUnless(embedding, `The Vector Indexing Policy's path::${path} not matching in Embedding's path`);
  const most = MAX_DIMENSIONS[type];
  refuseUnless(embedding.dimensions <= most, `Index Type::${type} takes up to ${most} dimensions`);
}

/** Returns a container's new definition; its vector policy and the kinds of its vector indexes stay for life. */
function checkedReplacement(definition, before) {
  const checked = { ...definition };
  // The service takes the policy's absence for "as it was", and the package would forget it.
  if (before?.vectorEmbeddingPolicy) checked.vectorEmbeddingPolicy ??= before.vectorEmbeddingPolicy;
  checkContainer(checked);
  if (!before) return checked; // the package answers 404
  const samePolicy = isDeepStrictEqual(checked.vectorEmbeddingPolicy, before.vectorEmbeddingPolicy);
  refuseUnless(samePolicy, 'The Vector Embedding Policy cannot be changed in Collection Replace');
  for (const index of checked.indexingPolicy?.vectorIndexes ?? []) {
    const old = (before.indexingPolicy?.vectorIndexes ?? []).find(({ path }) => path === index.path);
    const message = 'Paths in existing vector indexing policy cannot be modified in Collection Replace.';
    refuseUnless(!old || isDeepStrictEqual(old, index), message);
  }
  return checked;
}

module.exports = { DISTANCE_FUNCTIONS, checkContainer, checkItem, checkVector, checkedReplacement };
