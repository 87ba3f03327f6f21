'use strict';

// Queries: over one partition or, when the client says so, over all; refused when the package would misread them.

const { helpers, parseQuery } = require('./packages');
const { itemsOf } = require('./partitions');
const { Refusal, badRequest } = require('./refusal');
const vectors = require('./vectors');

/** The longest page when a client sets none. The service's own depends on size; a store must follow pages anyway. */
const MAX_PAGE = 1000;

const PRECEDENCE = ['scalar_binary_expression', 'scalar_in_expression', 'scalar_between_expression'];

function* nodesOf(node) {
  if (node === null || typeof node !== 'object') return;
  if (node.type) yield node;
  for (const child of Object.values(node)) yield* nodesOf(child);
}

/** Returns a parsed query, ready to run: its vectors' metrics are known, and what would go wrong is refused. */
function prepare(container, text) {
  const parsed = parseQuery(text);
  const embeddings = container.read().vectorEmbeddingPolicy?.vectorEmbeddings ?? [];
  const calls = [];
  const names = new Set();
  for (const node of [...nodesOf(parsed.ast)]) {
    if (node.type === 'parameter_name') names.add(node.name);
    if (node.type === 'select_query') vectors.checkOrder(node);
    if (vectors.isVectorDistance(node)) calls.push(vectors.prepareCall(node, embeddings));
    // The package binds NOT to what follows it at once, so that NOT c.x IN (1) is (NOT c.x) IN (1).
    const left = node.left ?? node.value;
    if (PRECEDENCE.includes(node.type) && left?.type === 'scalar_unary_expression' && left.operator === 'NOT') {
      throw badRequest('This test server wants parentheses after NOT');
    }
  }
  parsed._code = withoutCopies(parsed.code);
  return { parsed, calls, names };
}

/** Makes `FROM c` linear: the package's code copies the array of rows for each row. */
const withoutCopies = (code) => code.replaceAll(/\? \[\.\.\.\$, (\{[^[\]]*?\})\] : \$/g, '? ($.push($1), $) : $');

/** Runs a query over items; whatever the package fails at is a bad query. */
function run(container, { query, parameters = [] }, items, paging = {}) {
  const cache = container.documents._queryCache;
  try {
    if (!cache.has(query)) cache.set(query, prepare(container, query));
    const { parsed, calls, names } = cache.get(query);
    vectors.checkParameters(calls, parameters);
    for (const name of names) {
      if (!parameters.some((parameter) => parameter.name === name)) throw badRequest(`There is no parameter ${name}`);
    }
    const compositeIndexes = container.read().indexingPolicy?.compositeIndexes ?? [];
    return parsed.exec(items, { parameters, compositeIndexes, ...paging });
  } catch (error) {
    throw error instanceof Refusal ? error : badRequest(`This test server cannot run the query: ${error.message}`);
  }
}

/** Says whether an item meets the condition of a patch: "from c where …", or a whole query. */
function holds(container, condition, item) {
  const query = /^\s*select\b/i.test(condition) ? condition : `SELECT * ${condition}`;
  return run(container, { query }, [item]).result.length > 0;
}

function pagingOf(headers) {
  const count = Number(headers['x-ms-max-item-count'] ?? -1);
  const token = headers['x-ms-continuation'];
  try {
    return { maxItemCount: count > 0 ? count : MAX_PAGE, continuation: token ? JSON.parse(token) : undefined };
  } catch {
    throw badRequest('The continuation is not one of this server');
  }
}

function answer(container, { operation, partition, body }, headers) {
  const everywhere = (headers['x-ms-documentdb-query-enablecrosspartition'] ?? '').toLowerCase() === 'true';
  if (partition === undefined && !everywhere && operation === 'query') {
    throw badRequest('Cross partition query is required but disabled: name a partition key or enable it.');
  }
  if (headers['a-im']) throw badRequest('This test server has no change feed');
  const asked = operation === 'list' ? { query: 'SELECT * FROM c' } : body;
  if (typeof asked?.query !== 'string') throw badRequest('The query is missing');
  const { result, continuation } = run(container, asked, itemsOf(container, partition), pagingOf(headers));
  const next = continuation && { 'x-ms-continuation': JSON.stringify(continuation) };
  return {
    status: 200,
    body: { _rid: container.read()._rid, Documents: result, _count: result.length },
    headers: { 'x-ms-item-count': String(result.length), ...next },
  };
}

/** Copies without what is undefined. The package's own copies an array anew for each element. */
function stripUndefined(value) {
  if (Array.isArray(value)) return value.filter((element) => element !== undefined).map(stripUndefined);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([, property]) => property !== undefined);
  return Object.fromEntries(entries.map(([name, property]) => [name, stripUndefined(property)]));
}

function mend() {
  vectors.mend();
  helpers.stripUndefined = stripUndefined;
}

module.exports = { answer, holds, mend, run };
