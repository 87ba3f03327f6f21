'use strict';

// VectorDistance(c.embedding, @vector [, bruteForce [, options]]), alone in ORDER BY after TOP and in SELECT. The package
// knows neither the function nor a sort key that is not a path.

const { DISTANCE_FUNCTIONS, checkVector } = require('./checks');
const { functions, helpers } = require('./packages');
const { badRequest } = require('./refusal');

const OPTIONS = [
  'distanceFunction',
  'dataType',
  'searchListSizeMultiplier',
  'quantizedVectorListMultiplier',
  'filterPriority',
];

/** Returns the cosine similarity, dot product or Euclidean distance, undefined when there is no comparing the two. */
function distance(stored, wanted, metric) {
  if (!Array.isArray(stored) || !Array.isArray(wanted) || stored.length !== wanted.length) return undefined;
  let dot = 0;
  let squares = 0;
  let wantedSquares = 0;
  let differences = 0;
  for (let i = 0; i < stored.length; i += 1) {
    const a = stored[i];
    const b = wanted[i];
    dot += a * b;
    squares += a * a;
    wantedSquares += b * b;
    differences += (a - b) * (a - b);
  }
  if (metric === 'euclidean') return Math.sqrt(differences);
  if (metric === 'dotproduct') return dot;
  const lengths = Math.sqrt(squares * wantedSquares);
  return lengths === 0 ? 0 : dot / lengths;
}

const isVectorDistance = (node) =>
  node?.type === 'scalar_function_expression' && !node.udf && node.name.name.toUpperCase() === 'VECTORDISTANCE';

/** Returns the path of a property of the item: /embedding for c.embedding. */
function pathOf(node) {
  if (node?.type !== 'scalar_member_expression') return '';
  return `${pathOf(node.object)}/${node.property.name ?? node.property.value}`;
}

function optionsOf(node) {
  const properties = (node?.properties ?? []).map(({ key, value }) => [key.name ?? key.value, value.value]);
  for (const [name] of properties) {
    if (!OPTIONS.includes(name)) throw badRequest(`VectorDistance has no option '${name}'`);
  }
  return Object.fromEntries(properties);
}

/**
 * Prepares a call: the metric, of the options or else of the container's policy, becomes its third argument. Returns
 * what the query's parameters are to be checked with.
 */
function prepareCall(node, embeddings) {
  const [first, second, , options] = node.arguments;
  if (node.arguments.length < 2 || node.arguments.length > 4) throw badRequest('VectorDistance takes 2 to 4 arguments');
  const [stored, wanted] = pathOf(first) ? [first, second] : [second, first];
  const embedding = embeddings.find(({ path }) => path === pathOf(stored));
  const metric = optionsOf(options).distanceFunction ?? embedding?.distanceFunction ?? 'cosine';
  if (!DISTANCE_FUNCTIONS.includes(metric)) throw badRequest(`VectorDistance has no distanceFunction '${metric}'`);
  node.arguments = [stored, wanted, { type: 'string_constant', value: metric }];
  node.lowestFirst = metric === 'euclidean';
  return { embedding, parameter: wanted.type === 'parameter_name' ? wanted.name : undefined };
}

function checkOrder(select) {
  const sortKeys = select.orderBy?.expressions ?? [];
  if (!sortKeys.some(({ expression }) => isVectorDistance(expression))) return;
  if (sortKeys.length > 1) throw badRequest('ORDER BY VectorDistance takes no other sort key');
  if (sortKeys[0].order) throw badRequest('ORDER BY VectorDistance takes no ASC or DESC: the most similar come first');
  // The service would go through everything, at a price: whoever leaves it out has forgotten it.
  if (!select.top) throw badRequest('ORDER BY VectorDistance wants SELECT TOP');
}

/** Checks the vectors among a query's parameters against the policies of what they are compared with. */
function checkParameters(calls, parameters) {
  for (const { embedding, parameter } of calls) {
    if (embedding && parameter) checkVector(embedding, parameters.find(({ name }) => name === parameter)?.value);
  }
}

const isByDistance = (orders) => typeof orders[0]?.[0] === 'function';

/** Sorts by a key that is computed, once for each item; leaves out items that have no vector to compare. */
function sortByDistance(rows, [key, highestFirst]) {
  const sign = highestFirst ? -1 : 1;
  return rows
    .map((row) => ({ row, score: key(row) }))
    .filter(({ score }) => score !== undefined)
    .sort((a, b) => sign * (a.score - b.score))
    .map(({ row }) => row);
}

/** Pages by position: the package's continuation stores sort keys that are paths. */
function pageByPosition(rows, maxItemCount, continuation) {
  const start = continuation ? Number(continuation.token) : 0;
  const end = maxItemCount > 0 ? start + maxItemCount : rows.length;
  const next = end < rows.length ? { token: String(end), range: { min: '', max: 'FF' } } : null;
  const result = rows.slice(start, end).map(([projected]) => projected);
  return { result: helpers.stripUndefined(result), continuation: next };
}

/** Teaches the package the function and the sort key; packages.js has the third part of it. */
function mend() {
  functions.VECTORDISTANCE = distance;
  const { sort, paginate } = helpers;
  helpers.sort = (rows, rid, composite, ...orders) =>
    isByDistance(orders) ? sortByDistance(rows, orders[0]) : sort(rows, rid, composite, ...orders);
  helpers.paginate = (rows, count, continuation, rid, ...orders) =>
    isByDistance(orders) ? pageByPosition(rows, count, continuation) : paginate(rows, count, continuation, rid, ...orders);
}

module.exports = { checkOrder, checkParameters, isVectorDistance, mend, prepareCall };
