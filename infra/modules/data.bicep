metadata description = 'The database of features and clusters. What the containers are like has to be what shared/cosmos/containers.py expects; a test compares.'

param token string
param location string
param tags object

@description('The most RU/s of each container of vectors; 0 is serverless.')
param throughput int
param freeTier bool
param vectorIndex 'flat' | 'quantizedFlat' | 'diskANN'
param private bool

var serverless = throughput == 0 && !freeTier
var provisioned = { autoscaleSettings: { maxThroughput: throughput == 0 ? 1000 : throughput } }

var databaseName = 'visual-skills'
var partitionKey = { paths: ['/partition'], kind: 'Hash' }
var vectorPolicy = {
  vectorEmbeddings: [
    { path: '/embedding', dataType: 'float32', dimensions: 256, distanceFunction: 'cosine' }
  ]
}
var indexingPolicy = {
  indexingMode: 'consistent'
  includedPaths: [{ path: '/*' }]
  excludedPaths: [{ path: '/embedding/*' }, { path: '/"_etag"/?' }]
  vectorIndexes: [{ path: '/embedding', type: vectorIndex }]
}

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' = {
  name: 'cosmos-${token}'
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    locations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: false }]
    consistencyPolicy: { defaultConsistencyLevel: 'Session' }
    capabilities: concat([{ name: 'EnableNoSQLVectorSearch' }], serverless ? [{ name: 'EnableServerless' }] : [])
    enableFreeTier: freeTier
    disableLocalAuth: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    // Any minute of the last week can be restored, at no charge for the backup itself.
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-04-15' = {
  parent: account
  name: databaseName
  tags: tags
  properties: { resource: { id: databaseName } }
}

// Throughput is each container's own: a database that shares it has no vector search.

resource features 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = {
  parent: database
  name: 'features'
  tags: tags
  properties: {
    resource: {
      id: 'features'
      partitionKey: partitionKey
      vectorEmbeddingPolicy: vectorPolicy
      indexingPolicy: indexingPolicy
      // Nothing expires unless a document says so itself.
      defaultTtl: -1
    }
    options: serverless ? {} : provisioned
  }
}

resource collections 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = {
  parent: database
  name: 'collections'
  tags: tags
  properties: {
    resource: { id: 'collections', partitionKey: partitionKey }
    // A few documents: the least there is.
    options: serverless ? {} : { autoscaleSettings: { maxThroughput: 1000 } }
  }
}

resource clusters 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = {
  parent: database
  name: 'clusters'
  tags: tags
  properties: {
    resource: {
      id: 'clusters'
      partitionKey: partitionKey
      vectorEmbeddingPolicy: vectorPolicy
      indexingPolicy: indexingPolicy
    }
    options: serverless ? {} : provisioned
  }
}

output accountId string = account.id
output accountName string = account.name
output endpoint string = account.properties.documentEndpoint
