metadata description = 'What people should be told of: failures, messages given up, a database that throttles, events that were not delivered.'

param token string
param location string
param tags object
param email string
param workspaceId string
param cosmosId string
param topicId string

var actionGroups = empty(email) ? [] : [people!.id]

var logAlerts = [
  {
    name: 'failures'
    about: 'More than five calls or events failed within a quarter of an hour. Calls refused with 4xx do not count.'
    query: 'AppRequests | where toint(ResultCode) >= 500 or (Success == false and not(toint(ResultCode) between (400 .. 499)))'
    threshold: 5
  }
  {
    name: 'poison'
    about: 'The app gave up a message after five tries: an image (see the collection\'s failures) or a fit.'
    // The writes to the queues themselves, whatever the host logs.
    query: 'StorageQueueLogs | where OperationName == "PutMessage" and StatusText == "Success" and Uri contains "-poison/"'
    threshold: 0
  }
]

var topicAlerts = [
  {
    name: 'dead-letters'
    about: 'An event was not delivered for a day and is in the container of dead letters. The hourly reconcile does what it was about.'
    metric: 'DeadLetteredCount'
  }
  {
    name: 'dropped-events'
    about: 'An event was neither delivered nor kept: the topic cannot write dead letters. The hourly reconcile does what it was about.'
    metric: 'DroppedEventCount'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'skills'
    emailReceivers: [{ name: 'people', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource fromLogs 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in logAlerts: {
  name: 'alert-${alert.name}-${token}'
  location: location
  tags: tags
  properties: {
    displayName: alert.name
    description: alert.about
    enabled: true
    severity: 2
    scopes: [workspaceId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    autoMitigate: true
    // A new workspace lacks the tables until the first line is logged.
    skipQueryValidation: true
    criteria: {
      allOf: [{ query: alert.query, timeAggregation: 'Count', operator: 'GreaterThan', threshold: alert.threshold }]
    }
    actions: { actionGroups: actionGroups }
  }
}]

resource throttled 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'alert-throttled-${token}'
  location: 'global'
  tags: tags
  properties: {
    description: 'Cosmos DB refused more than 100 requests within a quarter of an hour (429): more RU/s, or fewer instances.'
    enabled: true
    severity: 3
    scopes: [cosmosId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'refused'
          metricNamespace: 'Microsoft.DocumentDB/databaseAccounts'
          metricName: 'TotalRequests'
          dimensions: [{ name: 'StatusCode', operator: 'Include', values: ['429'] }]
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 100
        }
      ]
    }
    actions: map(actionGroups, group => { actionGroupId: group })
  }
}

resource undelivered 'Microsoft.Insights/metricAlerts@2018-03-01' = [for alert in topicAlerts: {
  name: 'alert-${alert.name}-${token}'
  location: 'global'
  tags: tags
  properties: {
    description: alert.about
    enabled: true
    severity: 2
    scopes: [topicId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'undelivered'
          metricNamespace: 'Microsoft.EventGrid/systemTopics'
          metricName: alert.metric
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: map(actionGroups, group => { actionGroupId: group })
  }
}]
