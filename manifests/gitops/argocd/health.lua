-- Health of the kinds of integrationhub.io, for Argo CD. Written for its sandbox: no libraries.
local health = { status = "Progressing", message = "Waiting for the hub to look at this object." }
if obj.status == nil or obj.status.conditions == nil then
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    health.message = condition.message
    local observed = condition.observedGeneration or obj.status.observedGeneration or -1
    if observed < (obj.metadata.generation or 0) then
      return health
    end
    if condition.status == "True" then
      health.status = "Healthy"
    elseif condition.reason == "Paused" or condition.reason == "PendingAuthorization" then
      -- It waits for a person, and no sync brings that about.
      health.status = "Suspended"
    elseif condition.status == "False" then
      health.status = "Degraded"
    end
  end
end
return health
