-- Health of PeerOrganization, SharedAsset and SharingPolicy for Argo CD: the verdict that kstatus (Flux,
-- `helm --wait`) reads from the same conditions. It needs none of Lua's standard libraries.
--
--   Degraded     somebody must edit this object (Stalled)
--   Progressing  nobody has looked at this edit yet, or something else is waited for: a name that does
--                not resolve, the node that has to apply it. Never another bank's outage.
--   Healthy      accepted, resolved, in force in our node
local function condition(type)
  for _, candidate in ipairs(obj.status.conditions) do
    if candidate.type == type then
      return candidate
    end
  end
  return nil
end

if obj.metadata.deletionTimestamp ~= nil then
  return {status = "Progressing", message = "being deleted"}
end
if obj.status == nil or obj.status.conditions == nil then
  return {status = "Progressing", message = "waiting for the operator"}
end
-- Every object begins with -1; a verdict about an older edit is none about this one.
local observed = obj.status.observedGeneration
if observed ~= nil and observed ~= obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not looked at this edit yet"}
end

local stalled = condition("Stalled")
if stalled ~= nil and stalled.status == "True" then
  return {status = "Degraded", message = stalled.message}
end
local ready = condition("Ready")
if ready == nil then
  return {status = "Progressing", message = "waiting for the operator"}
end
if ready.status == "True" then
  return {status = "Healthy", message = ready.message}
end
return {status = "Progressing", message = ready.message}
