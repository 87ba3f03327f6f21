metadata description = 'Private endpoints for what the app calls, and the names by which it finds them.'

param location string
param tags object
param networkId string
param subnetId string
param hostStorageId string
param imagesStorageId string
param cosmosId string

var suffix = environment().suffixes.storage
var zoneNames = [
  'privatelink.blob.${suffix}'
  'privatelink.queue.${suffix}'
  'privatelink.table.${suffix}'
  'privatelink.documents.azure.com'
]

// `zone` is a place in the list above. The app has no table in the images account, hence no endpoint for it.
var targets = [
  { name: 'host-blob', resourceId: hostStorageId, part: 'blob', zone: 0 }
  { name: 'host-queue', resourceId: hostStorageId, part: 'queue', zone: 1 }
  { name: 'host-table', resourceId: hostStorageId, part: 'table', zone: 2 }
  { name: 'images-blob', resourceId: imagesStorageId, part: 'blob', zone: 0 }
  { name: 'images-queue', resourceId: imagesStorageId, part: 'queue', zone: 1 }
  { name: 'cosmos', resourceId: cosmosId, part: 'Sql', zone: 3 }
]

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for name in zoneNames: {
  name: name
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (name, i) in zoneNames: {
  parent: zones[i]
  name: 'app'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: networkId }
  }
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2024-05-01' = [for target in targets: {
  name: 'pe-${target.name}-${uniqueString(target.resourceId)}'
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      { name: target.name, properties: { privateLinkServiceId: target.resourceId, groupIds: [target.part] } }
    ]
  }
}]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for (target, i) in targets: {
  parent: endpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [{ name: target.part, properties: { privateDnsZoneId: zones[target.zone].id } }]
  }
}]
