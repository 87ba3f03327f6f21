metadata description = 'Who may do what: all role assignments. Each says why; what is not here is not allowed.'

param appPrincipalId string
param searchPrincipalId string
param topicPrincipalId string

@description('Who deploys; empty: nobody.')
param principalId string
param principalType 'User' | 'Group' | 'ServicePrincipal'
param localDevelopment bool
param knowledgeStore bool
param hostStorageName string
param imagesStorageName string
param imagesContainer string
param deadLetterContainer string
param cosmosName string
param insightsName string
param searchName string

@description('Empty: there is none.')
param aiServicesName string

var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var blobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'
var searchServiceContributor = '7ca78c08-252a-4471-8644-bb5ff32d4ba0'
var searchIndexDataContributor = '8ebe5a00-799e-43f5-93ac-243d3dce84a7'
var cognitiveServicesUser = 'a97b65f3-24c7-4388-baec-2e87135dc908'
var cosmosDataContributor = '00000000-0000-0000-0000-000000000002'

var people = !empty(principalId)

resource hostStorage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hostStorageName
}

resource imagesStorage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: imagesStorageName
}

resource imagesBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: imagesStorage
  name: 'default'
}

resource images 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: imagesBlobs
  name: imagesContainer
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: imagesBlobs
  name: deadLetterContainer
}

resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' existing = {
  name: cosmosName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource search 'Microsoft.Search/searchServices@2025-05-01' existing = {
  name: searchName
}

// check:allow unverified-type the checker has no schema of this provider; `bicep build` checks it
resource ai 'Microsoft.CognitiveServices/accounts@2024-10-01' existing = {
  name: empty(aiServicesName) ? 'none' : aiServicesName
}

// --- The app

// The host keeps locks, keys and the deployed package here; an owner is what Functions asks for.
resource appHostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, appPrincipalId, blobDataOwner)
  scope: hostStorage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataOwner)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// `start_fit` and `fit_clusters` write and read a queue here; the blob trigger has one of its own, which it makes.
resource appHostQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, appPrincipalId, queueDataContributor)
  scope: hostStorage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// The host writes its diagnostic events into a table.
resource appHostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, appPrincipalId, tableDataContributor)
  scope: hostStorage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// The app lists and reads images with their index tags, and no lesser built-in role reads tags. This container only.
resource appImages 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(images.id, appPrincipalId, blobDataOwner)
  scope: images
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataOwner)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// The host keeps here what `embed_blob` failed five times, and `note_given_up_blob` reads it.
resource appImagesQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(imagesStorage.id, appPrincipalId, queueDataContributor)
  scope: imagesStorage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// Features, collections and clusters: documents are read and written, containers never made.
resource appCosmos 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = {
  parent: cosmos
  name: guid(cosmos.id, appPrincipalId, cosmosDataContributor)
  properties: {
    roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/${cosmosDataContributor}'
    principalId: appPrincipalId
    scope: cosmos.id
  }
}

// Its logs: Application Insights takes no keys.
resource appInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, appPrincipalId, metricsPublisher)
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// --- The search service

// The indexer reads the images, and whether the account keeps deleted ones.
resource searchImages 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(imagesStorage.id, searchPrincipalId, blobDataReader)
  scope: imagesStorage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataReader)
    principalId: searchPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// A knowledge store is a container that it makes in the images account …
resource searchKnowledge 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (knowledgeStore) {
  name: guid(imagesStorage.id, searchPrincipalId, blobDataContributor)
  scope: imagesStorage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: searchPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// … and a table.
resource searchKnowledgeTable 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (knowledgeStore) {
  name: guid(imagesStorage.id, searchPrincipalId, tableDataContributor)
  scope: imagesStorage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
    principalId: searchPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// The built-in image analysis and OCR are paid for by the AI services account.
resource searchAi 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(aiServicesName)) {
  name: guid(ai.id, searchPrincipalId, cognitiveServicesUser)
  scope: ai
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', cognitiveServicesUser)
    principalId: searchPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// --- Event Grid

// Events that cannot be delivered are written here, and nowhere else.
resource topicDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, topicPrincipalId, blobDataContributor)
  scope: deadLetters
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: topicPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// --- Who deploys

// `python -m infra.search deploy` writes the index, the data source, the skillset and the indexer …
resource peopleSearch 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (people) {
  name: guid(search.id, principalId, searchServiceContributor)
  scope: search
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', searchServiceContributor)
    principalId: principalId
    principalType: principalType
  }
}

// … and `query`, `status` and `compare` read documents; the smoke test too.
resource peopleIndex 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (people) {
  name: guid(search.id, principalId, searchIndexDataContributor)
  scope: search
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', searchIndexDataContributor)
    principalId: principalId
    principalType: principalType
  }
}

// `python -m shared.upload`.
resource peopleImages 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (people) {
  name: guid(images.id, principalId, blobDataContributor)
  scope: images
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: principalId
    principalType: principalType
  }
}

// `func start` against these accounts reads the queue of images that were given up …
resource peopleImagesQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (people && localDevelopment) {
  name: guid(imagesStorage.id, principalId, queueDataContributor)
  scope: imagesStorage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
    principalId: principalId
    principalType: principalType
  }
}

// … and works with the database; `python -m shared.migrate` does too.
resource peopleCosmos 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = if (people && localDevelopment) {
  parent: cosmos
  name: guid(cosmos.id, principalId, cosmosDataContributor)
  properties: {
    roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/${cosmosDataContributor}'
    principalId: principalId
    scope: cosmos.id
  }
}
