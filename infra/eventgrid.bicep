metadata description = 'The second pass, after the code is up: who is told of new and of deleted images. Event Grid asks the app when a subscription is made, and only an app with code can answer.'
targetScope = 'resourceGroup'

@description('Outputs of main.bicep: FUNCTION_APP_NAME.')
param functionAppName string

@description('EVENT_TOPIC_NAME.')
param topicName string

@description('IMAGES_STORAGE_ACCOUNT_NAME.')
param imagesStorageName string

@description('IMAGES_CONTAINER.')
param imagesContainer string = 'images'

@description('DEAD_LETTER_CONTAINER.')
param deadLetterContainer string = 'dead-letters'

// With the end of this, or a container `images-old` would match as well.
var subject = '/blobServices/default/containers/${imagesContainer}/blobs/'

// For a day; then the hourly reconcile has found it long ago.
var retry = { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource images 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: imagesStorageName
}

// A webhook, because Event Grid takes a function as destination only when it has an Event Grid trigger, and this one has
// a blob trigger. The url cannot be changed later: after `blobs_extension` was renewed, delete the subscription and make
// it again.
resource created 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'image-created'
  properties: {
    destination: {
      endpointType: 'WebHook'
      properties: {
        // Only the deployment sees the key: it is asked for there, and kept by Event Grid.
        #disable-next-line use-secure-value-for-secure-inputs
        endpointUrl: 'https://${app.properties.defaultHostName}/runtime/webhooks/blobs?functionName=Host.Functions.embed_blob&code=${listKeys('${app.id}/host/default', '2024-11-01').systemKeys.blobs_extension}'
      }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: subject
      // One upload makes several events; these say that the blob is complete.
      advancedFilters: [
        {
          operatorType: 'StringIn'
          key: 'data.api'
          values: ['PutBlob', 'PutBlockList', 'CopyBlob', 'FlushWithClose']
        }
      ]
    }
    retryPolicy: retry
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: { resourceId: images.id, blobContainerName: deadLetterContainer }
      }
    }
  }
}

// The function itself as destination: no key is in this file's deployment, and Event Grid follows when keys are renewed.
resource deleted 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'image-deleted'
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${app.id}/functions/forget_blob'
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobDeleted', 'Microsoft.Storage.BlobRenamed']
      subjectBeginsWith: subject
    }
    retryPolicy: retry
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: { resourceId: images.id, blobContainerName: deadLetterContainer }
      }
    }
  }
  // A topic takes one change at a time.
  dependsOn: [created]
}
