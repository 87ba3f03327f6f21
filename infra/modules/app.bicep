metadata description = 'The function app on Flex Consumption, its identity and the storage that its host works with.'

param token string
param location string
param tags object
param instanceMemoryMB int
param maximumInstanceCount int
param alwaysReadyHttp int
param httpConcurrency int
param imagesBlobUrl string
param imagesQueueUrl string
param imagesContainer string
param cosmosEndpoint string
param cosmosVectorIndex string
param insightsConnection string
param workspaceId string
param extraSettings object
param private bool
param subnetId string
param authClientId string

@description('Object ids of who may call the app where sign-in guards it.')
param callers string[]

var appName = 'func-${token}'
var deploymentContainer = 'deployments'
var signIn = !empty(authClientId)

// What is not here keeps the default of shared/settings.py; a test names each and says why.
var settings = {
  // DefaultAzureCredential takes the identity of this name: the app has no other way to sign in.
  AZURE_CLIENT_ID: identity.properties.clientId
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  AzureWebJobsStorage__blobServiceUri: hostStorage.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: hostStorage.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: hostStorage.properties.primaryEndpoints.table
  IMAGES_STORAGE__credential: 'managedidentity'
  IMAGES_STORAGE__clientId: identity.properties.clientId
  IMAGES_STORAGE__blobServiceUri: imagesBlobUrl
  IMAGES_STORAGE__queueServiceUri: imagesQueueUrl
  IMAGES_CONTAINER: imagesContainer
  COSMOS_ENDPOINT: cosmosEndpoint
  COSMOS_VECTOR_INDEX: cosmosVectorIndex
  // A query by image is given up after 60 s by the search service, a skill after 230.
  TIME_BUDGET_SECONDS: '50'
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${token}'
  location: location
  tags: tags
}

// Apart from the images: who may read those need not see keys and code, and the host's many small calls do not count there.
resource hostStorage 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: 'sthost${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: private ? 'Deny' : 'Allow', bypass: 'None' }
  }
}

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: hostStorage
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: hostBlobs
  name: deploymentContainer
  properties: { publicAccess: 'None' }
}

resource hostQueues 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: hostStorage
  name: 'default'
}

resource fits 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = {
  parent: hostQueues
  name: 'fit-clusters'
}

resource queueLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'writes'
  scope: hostQueues
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'StorageWrite', enabled: true }]
  }
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: appName
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    // Event Grid and the search service call it, also where all else is private.
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: private ? subnetId : null
    // For app settings that name a secret in a Key Vault.
    keyVaultReferenceIdentity: identity.id
    siteConfig: { minTlsVersion: '1.2', scmMinTlsVersion: '1.2', ftpsState: 'Disabled' }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostStorage.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identity.id }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyHttp == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyHttp }]
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
    }
  }
  dependsOn: [packages]
}

resource appSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: union(settings, extraSettings)
}

resource publishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = [for way in ['ftp', 'scm']: {
  parent: app
  name: way
  properties: { allow: false }
}]

// Always written: a conditional resource would leave sign-in on when it is switched off.
resource signInSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: signIn }
    globalValidation: {
      requireAuthentication: signIn
      unauthenticatedClientAction: 'Return401'
      // Event Grid has no token for this app: its calls carry system keys, which the host asks for. Health says no secret.
      excludedPaths: ['/api/health', '/runtime/webhooks/blobs', '/runtime/webhooks/EventGrid']
    }
    httpSettings: { requireHttps: true }
    identityProviders: signIn ? {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: authClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [authClientId, 'api://${authClientId}']
          // Any identity of the tenant can get a token; only these are let in with one.
          defaultAuthorizationPolicy: { allowedPrincipals: { identities: callers } }
        }
      }
    } : {}
    login: { tokenStore: { enabled: false } }
  }
  dependsOn: [appSettings]
}

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
output principalId string = identity.properties.principalId
output hostStorageId string = hostStorage.id
output hostStorageName string = hostStorage.name
