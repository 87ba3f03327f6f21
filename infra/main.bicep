metadata description = 'Everything in one resource group: the app, its images, its database, the search service and what watches them.'
targetScope = 'resourceGroup'

@description('The name of the azd environment. It becomes a tag and, hashed with the resource group, the end of all names.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('The region. It needs Flex Consumption, Cosmos DB and Azure AI Search.')
param location string = resourceGroup().location

@description('Who deploys, by object id: may write the search definitions and upload images. Empty: nobody.')
@maxLength(36)
param principalId string = ''

@description('What kind of principal that is; a pipeline is a ServicePrincipal.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string = 'User'

@description('Whether who deploys may also run the app on a machine of their own against the database and the queues here.')
param localDevelopment bool = false

@description('Memory of an instance of the app, in MB. 512 is for small images only.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('How many instances of the app there may be, which also bounds what a flood of uploads costs.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that wait for HTTP calls at all times. They are paid for, and queries meet no cold start.')
@minValue(0)
@maxValue(40)
param alwaysReadyHttp int = 0

@description('HTTP calls that one instance answers at a time before another instance starts.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 4

@description('More app settings by name, such as TOPN. No secrets: name them in a Key Vault, as @Microsoft.KeyVault(…).')
param extraSettings object = {}

@description('Cosmos DB: 0 is serverless, paid by use. Else the most RU/s that each container of vectors scales to. Decided when the account is made.')
@allowed([0, 1000, 2000, 4000, 10000, 20000, 50000, 100000])
param cosmosThroughput int = 0

@description('Use the Cosmos DB free tier, one account in a subscription. It pays the first 1000 RU/s, so it is never serverless: without a cosmosThroughput it takes 1000.')
param cosmosFreeTier bool = false

@description('The kind of vector index: flat is exact, quantizedFlat is for up to 50,000 images a collection, diskANN for more.')
@allowed(['flat', 'quantizedFlat', 'diskANN'])
param cosmosVectorIndex string = 'flat'

@description('The tier of the search service. The free one is not among them: it has no identity, and without keys it could not read the images.')
@allowed(['basic', 'standard', 'standard2', 'standard3'])
param searchSku string = 'basic'

@description('Make an AI services account, which pays for the built-in image analysis and OCR beside our skills.')
param imageAnalysis bool = false

@description('Let the search service write a knowledge store into the images account. Not tried: for its table the service may want account keys, which are off here.')
param knowledgeStore bool = false

@description('Storage and database on private endpoints. The app and the search service stay public: see modules/network.bicep.')
param vnetEnabled bool = false

@description('Entra sign-in in front of the app: the client id of its app registration, which issues v2 tokens. Empty: function keys alone.')
@maxLength(36)
param authClientId string = ''

@description('How long logs are kept, in days.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Where alerts go. Empty: they show in the portal only.')
@maxLength(254)
param alertEmail string = ''

@description('How long deleted images can be brought back, in days; longer than an indexer run may be late, or deletions never reach the index.')
@minValue(1)
@maxValue(365)
param softDeleteDays int = 14

var token = uniqueString(resourceGroup().id, environmentName, location)
var tags = { 'azd-env-name': environmentName }

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: { token: token, location: location, tags: tags, retentionDays: logRetentionDays }
}

module network 'modules/network.bicep' = if (vnetEnabled) {
  name: 'network'
  params: { token: token, location: location, tags: tags }
}

module data 'modules/data.bicep' = {
  name: 'data'
  params: {
    token: token
    location: location
    tags: tags
    throughput: cosmosThroughput
    freeTier: cosmosFreeTier
    vectorIndex: cosmosVectorIndex
    private: vnetEnabled
  }
}

module images 'modules/images.bicep' = {
  name: 'images'
  params: {
    token: token
    location: location
    tags: tags
    softDeleteDays: softDeleteDays
    private: vnetEnabled
    workspaceId: monitoring.outputs.workspaceId
  }
}

module search 'modules/search.bicep' = {
  name: 'search'
  params: { token: token, location: location, tags: tags, sku: searchSku, aiServices: imageAnalysis }
}

module app 'modules/app.bicep' = {
  name: 'app'
  params: {
    token: token
    location: location
    tags: tags
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyHttp: alwaysReadyHttp
    httpConcurrency: httpConcurrency
    imagesBlobUrl: images.outputs.blobUrl
    imagesQueueUrl: images.outputs.queueUrl
    imagesContainer: images.outputs.container
    cosmosEndpoint: data.outputs.endpoint
    cosmosVectorIndex: cosmosVectorIndex
    insightsConnection: monitoring.outputs.insightsConnection
    workspaceId: monitoring.outputs.workspaceId
    extraSettings: extraSettings
    private: vnetEnabled
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
    authClientId: authClientId
    callers: concat([search.outputs.principalId], empty(principalId) ? [] : [principalId])
  }
}

module endpoints 'modules/endpoints.bicep' = if (vnetEnabled) {
  name: 'endpoints'
  params: {
    location: location
    tags: tags
    networkId: vnetEnabled ? network!.outputs.id : ''
    subnetId: vnetEnabled ? network!.outputs.endpointsSubnetId : ''
    hostStorageId: app.outputs.hostStorageId
    imagesStorageId: images.outputs.accountId
    cosmosId: data.outputs.accountId
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  params: {
    appPrincipalId: app.outputs.principalId
    searchPrincipalId: search.outputs.principalId
    topicPrincipalId: images.outputs.topicPrincipalId
    principalId: principalId
    principalType: principalType
    localDevelopment: localDevelopment
    knowledgeStore: knowledgeStore
    hostStorageName: app.outputs.hostStorageName
    imagesStorageName: images.outputs.accountName
    imagesContainer: images.outputs.container
    deadLetterContainer: images.outputs.deadLetterContainer
    cosmosName: data.outputs.accountName
    insightsName: monitoring.outputs.insightsName
    searchName: search.outputs.name
    aiServicesName: search.outputs.aiServicesName
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    token: token
    location: location
    tags: tags
    email: alertEmail
    workspaceId: monitoring.outputs.workspaceId
    cosmosId: data.outputs.accountId
    topicId: images.outputs.topicId
  }
}

// Named as the environment variables that the hooks and `python -m infra.search` read. None of them is a secret.
output AZURE_RESOURCE_GROUP string = resourceGroup().name
output FUNCTION_APP_NAME string = app.outputs.name
output SKILLS_APP_URL string = app.outputs.url
output SKILLS_AUTH_RESOURCE_ID string = empty(authClientId) ? '' : 'api://${authClientId}'
output IMAGES_STORAGE_ACCOUNT_NAME string = images.outputs.accountName
output IMAGES_STORAGE_ACCOUNT_ID string = images.outputs.accountId
output IMAGES_ACCOUNT_URL string = images.outputs.blobUrl
output IMAGES_QUEUE_URL string = images.outputs.queueUrl
output IMAGES_CONTAINER string = images.outputs.container
output DEAD_LETTER_CONTAINER string = images.outputs.deadLetterContainer
output EVENT_TOPIC_NAME string = images.outputs.topicName
output COSMOS_ENDPOINT string = data.outputs.endpoint
output COSMOS_VECTOR_INDEX string = cosmosVectorIndex
output AZURE_SEARCH_ENDPOINT string = search.outputs.endpoint
output AI_SERVICES_URL string = search.outputs.aiServicesUrl
