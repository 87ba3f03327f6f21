metadata description = 'The images, what is told of their coming and going, and what could not be told.'

param token string
param location string
param tags object
param softDeleteDays int
param private bool
param workspaceId string

var containerName = 'images'
var deadLetterName = 'dead-letters'

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: 'stimages${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
    accessTier: 'Hot'
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Not `Disabled` in a private network: the search service and Event Grid come in as trusted services, each with its
    // own identity and role, and need the firewall that knows this exception.
    publicNetworkAccess: 'Enabled'
    networkAcls: { defaultAction: private ? 'Deny' : 'Allow', bypass: 'AzureServices' }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    // The indexer finds deletions among the soft-deleted blobs, and only where there are no versions.
    deleteRetentionPolicy: { enabled: true, days: softDeleteDays }
    isVersioningEnabled: false
    containerDeleteRetentionPolicy: { enabled: true, days: softDeleteDays }
  }
}

resource images 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: containerName
  properties: { publicAccess: 'None' }
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: deadLetterName
  properties: { publicAccess: 'None' }
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'old-dead-letters'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['${deadLetterName}/'] }
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: 30 } } }
          }
        }
      ]
    }
  }
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

// The host writes here what `embed_blob` failed five times, and `note_given_up_blob` reads it.
resource givenUp 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = {
  parent: queues
  name: 'webjobs-blobtrigger-poison'
}

resource queueLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'writes'
  scope: queues
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'StorageWrite', enabled: true }]
  }
}

// Subscriptions come in a second pass, when the app can answer: see eventgrid.bicep.
resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgt-${token}'
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

output accountId string = account.id
output accountName string = account.name
output blobUrl string = account.properties.primaryEndpoints.blob
output queueUrl string = account.properties.primaryEndpoints.queue
output container string = images.name
output deadLetterContainer string = deadLetters.name
output topicId string = topic.id
output topicName string = topic.name
output topicPrincipalId string = topic.identity.principalId
