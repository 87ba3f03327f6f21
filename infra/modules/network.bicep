metadata description = 'The private network: one subnet that the app calls out from, one for the private endpoints.'

// What is private then: both storage accounts and the database; the app reaches them through the endpoints.
//
// What stays public, and why:
// - The app: Event Grid and the search service call it, and neither comes from this network. Keys guard it, or sign-in.
// - The search service: people query it. It takes no keys, only roles.
// - The images account for Microsoft's own services that have a role on it: the search service reads the images and
//   Event Grid writes dead letters as trusted services. To all others its firewall is closed, so images are uploaded
//   from inside the network, or from addresses that somebody adds to the firewall.
// - Application Insights, which takes no keys either.
//
// The app fetches an image by url from the images account only. It resolves that to the endpoint's private address.

param token string
param location string
param tags object

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'vnet-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.0.0.0/16'] }
    subnets: [
      {
        name: 'app'
        properties: {
          // Each instance takes an address: room for a thousand.
          addressPrefix: '10.0.0.0/21'
          delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.0.8.0/27'
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

output id string = network.id
output appSubnetId string = network.properties.subnets[0].id
output endpointsSubnetId string = network.properties.subnets[1].id
