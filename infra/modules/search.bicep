metadata description = 'The search service, and the account that pays for its built-in skills. What is in the service comes from infra/search.'

param token string
param location string
param tags object
param sku 'basic' | 'standard' | 'standard2' | 'standard3'
param aiServices bool

var aiServicesName = 'ai-${token}'

resource service 'Microsoft.Search/searchServices@2025-05-01' = {
  name: 'srch-${token}'
  location: location
  tags: tags
  sku: { name: sku }
  identity: { type: 'SystemAssigned' }
  properties: {
    replicaCount: 1
    partitionCount: 1
    hostingMode: 'Default'
    disableLocalAuth: true
    semanticSearch: 'disabled'
    publicNetworkAccess: 'Enabled'
  }
}

// check:allow unverified-type the checker has no schema of this provider; `bicep build` checks it
resource ai 'Microsoft.CognitiveServices/accounts@2024-10-01' = if (aiServices) {
  name: aiServicesName
  location: location
  tags: tags
  kind: 'CognitiveServices'
  sku: { name: 'S0' }
  properties: {
    // Without a name of its own it takes no tokens.
    customSubDomainName: aiServicesName
    disableLocalAuth: true
    publicNetworkAccess: 'Enabled'
  }
}

output name string = service.name
output principalId string = service.identity.principalId
output endpoint string = 'https://${service.name}.search.windows.net'
output aiServicesName string = aiServices ? aiServicesName : ''
output aiServicesUrl string = aiServices ? 'https://${aiServicesName}.cognitiveservices.azure.com' : ''
